// One answer on a scale, or two side by side; a key rates and goes on.
export default {
  render({ model, el, signal }) {
    const root = makeRoot(el, "Rating of answers");
    const [low, high] = model.get("scale");
    const scores = low === undefined ? [] : Array.from({ length: high - low + 1 }, (_, step) => String(low + step));
    const choices = scores.length
      ? scores.map((score) => [score, score, score])
      : [["first", "First is better", "1"], ["tie", "Equal", "0"], ["second", "Second is better", "2"]];
    const comment = make("textarea", { rows: 2, cols: 60 });
    const give = (choice) => () =>
      put(model, "given", { position: model.get("position"), choice, comment: comment.value });
    const go = (step) => () => {
      const position = model.get("position") + step;
      if (position >= 0 && position <= model.get("total")) put(model, "position", position);
    };
    const buttons = choices.map(([choice, shown, key]) =>
      make("button", { type: "button", onclick: give(choice), "aria-keyshortcuts": key }, shown));
    const back = make("button", { type: "button", onclick: go(-1) }, "Back");
    const skip = make("button", { type: "button", onclick: go(1) }, "Skip");
    const told = make("p", { role: "status" });
    const problem = make("p", { role: "alert" });
    const page = make("div", { class: "columns mathjax_ignore tex2jax_ignore" });
    const label = scores.length ? `Score, ${low} is worst and ${high} is best` : "Which answer is better";
    comment.addEventListener("keydown", (event) => event.key === "Escape" && buttons[0].focus());
    root.append(
      told, page,
      make("div", { class: "fields", role: "group", "aria-label": label }, make("span", {}, `${label}:`), ...buttons, back, skip),
      make("div", { class: "fields" }, make("label", {}, "Comment, before you rate", comment)), problem,
      makeKeys({ [choices.map(([, , key]) => key).join(" ")]: "rate and go on", "←": "back", "→": "skip", c: "comment", Esc: "leave the comment" }));
    const keys = { ArrowLeft: go(-1), ArrowRight: go(1), c: () => comment.focus() };
    listen(root, Object.assign(keys, Object.fromEntries(choices.map(([choice, , key]) => [key, give(choice)]))));
    follow(model, ["call", "texts", "said", "told", "problem"], () => {
      page.innerHTML = [model.get("call"), ...model.get("texts")].join(""); // escaped by analysis.comparison
      told.textContent = model.get("told");
      problem.textContent = model.get("problem");
      choices.forEach(([choice], place) => buttons[place].setAttribute("aria-pressed", model.get("said").choice === choice));
      back.disabled = model.get("position") < 1;
    }, signal);
    follow(model, ["position", "said"], () => { comment.value = model.get("said").comment; }, signal);
  },
};
