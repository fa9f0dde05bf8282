// The file of a prompt beside what a model would see of a call.
export default {
  render({ model, el, signal }) {
    const root = makeRoot(el, "Editor of a prompt");
    const text = make("textarea", { rows: 24, spellcheck: "false", class: "code" });
    const field = makeField(model, "text", `Text of ${model.get("name")}`, text, signal);
    let number = 0;
    const ask = (action) => () => put(model, "asked", { do: action, text: text.value, number: number++ });
    const button = (shown, action) => make("button", { type: "button", onclick: action }, shown);
    const go = (step) => () => {
      const position = model.get("position") + step;
      if (position >= 0 && position < model.get("calls")) put(model, "position", position);
    };
    const undo = button("Undo", ask("undo"));
    const back = button("Previous call", go(-1));
    const on = button("Next call", go(1));
    const told = make("p", { role: "status" });
    const problem = make("p", { role: "alert" });
    const heading = make("p");
    const parts = make("div");
    text.addEventListener("keydown", (event) => {
      if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      ask("save")();
    });
    root.append(told,
      make("div", { class: "fields" }, button("Save", ask("save")), undo, button("Reload", ask("reload")), back, on,
        ...(model.get("can_ask") ? [button("Ask the model about this call", ask("ask"))] : [])),
      problem, make("div", { class: "columns" }, field, make("div", {}, heading, parts)),
      makeKeys({ "Ctrl S": "save", "←": "previous call", "→": "next call" }));
    listen(root, { ArrowLeft: go(-1), ArrowRight: go(1) });
    // What is written here stays while it is written; what Python puts in its place, by Undo, does not.
    follow(model, ["asked", "told", "heading", "parts", "problem", "can_undo", "position"], () => {
      told.textContent = model.get("told");
      problem.textContent = model.get("problem");
      heading.textContent = model.get("heading");
      undo.disabled = !model.get("can_undo");
      back.disabled = model.get("position") < 1;
      on.disabled = model.get("position") + 1 >= model.get("calls");
      parts.replaceChildren(...model.get("parts").map(([title, shown]) =>
        make("div", {}, make("strong", {}, title), make("pre", { tabindex: 0, role: "group", "aria-label": title }, shown))));
    }, signal);
  },
};
