// A call and its answers; fields above choose which calls, the arrows go from one to the next.
export default {
  render({ model, el, signal }) {
    const root = makeRoot(el, "Answers beside their calls");
    const choices = model.get("choices");
    const number = () => make("input", { type: "number", min: 0 });
    const field = (name, label, input, read) => makeField(model, name, label, input, signal, read);
    const select = (name, label, all) =>
      choices[name].length ? [field(name, label, makeSelect([["", all], ...choices[name]]))] : [];
    const count = (name, label, input = number()) =>
      field(name, label, input, () => (input.value === "" ? null : Number(input.value)));
    const check = make("input", { type: "checkbox" });
    const go = (step) => () => {
      const position = model.get("position") + step;
      if (position >= 0 && position < model.get("calls")) put(model, "position", position);
    };
    const back = make("button", { type: "button", onclick: go(-1) }, "Previous call");
    const on = make("button", { type: "button", onclick: go(1) }, "Next call");
    const told = make("p", { role: "status" });
    const page = make("div", { class: "mathjax_ignore tex2jax_ignore" });
    root.append(
      make("div", { class: "fields" },
        ...select("variant", "Variant", "all"), ...select("stop", "How it ended", "all"),
        ...select("error", "Error", "with and without"),
        count("words_low", "Words, from"), count("words_high", "Words, to"),
        ...(choices.unsupported ? [field("unsupported", "Claims that the call does not support", check, () => check.checked)] : []),
        field("search", "Search in calls and answers", make("input", { type: "search" }))),
      make("div", { class: "fields" }, back, on, told),
      page, makeKeys({ "←": "previous call", "→": "next call" }));
    listen(root, { ArrowLeft: go(-1), ArrowRight: go(1) });
    follow(model, ["page", "told"], () => {
      page.innerHTML = model.get("page"); // escaped by analysis.comparison.beside_calls
      told.textContent = model.get("told");
      back.disabled = model.get("position") < 1;
      on.disabled = model.get("position") + 1 >= model.get("calls");
    }, signal);
  },
};
