// Counters and a table of jobs; the page asks again every few seconds for as long as it is shown.
export default {
  render({ model, el, signal }) {
    const root = makeRoot(el, "Jobs of a run");
    let number = 0;
    const ask = (action, confirmed = false) => () => put(model, "asked", { do: action, confirmed, number: number++ });
    const button = (text, action) => make("button", { type: "button", onclick: action }, text);
    const counters = make("table", {}, make("caption", { class: "keys" }, "How far the run is"));
    const jobs = make("table", {}, make("caption", { class: "keys" }, "Jobs"));
    const told = make("p", { role: "status" });
    const problem = make("p", { role: "alert" });
    const question = make("pre");
    let pending = "";
    const start = (action) => () => { pending = action; ask(action)(); };
    const confirm = make("div", { role: "group", "aria-label": "Confirm" }, question,
      button("Yes", () => ask(pending, true)()), button("No", () => put(model, "question", "")));
    const stop = button("Stop", start("stop"));
    const send = button("Send what is left", start("send"));
    root.append(told, counters,
      make("div", { class: "fields" }, stop, send, button("Look now", ask("look"))), confirm, problem, jobs);
    const row = (tag, cells, scope) => make("tr", {}, ...cells.map((cell) => make(tag, scope ? { scope } : {}, cell)));
    const fill = (table, rows) => table.replaceChildren(table.caption, ...rows);
    follow(model, ["counters", "rows", "told", "problem", "question", "is_over"], () => {
      told.textContent = model.get("told");
      problem.textContent = model.get("problem");
      question.textContent = model.get("question");
      confirm.hidden = !model.get("question");
      stop.disabled = model.get("is_over");
      send.disabled = model.get("is_over");
      fill(counters, model.get("counters").map(([name, text]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text))));
      fill(jobs, [row("th", model.get("columns"), "col"), ...model.get("rows").map((cells) => row("td", cells))]);
    }, signal);
    const timer = setInterval(() => model.get("is_over") || ask("look")(), model.get("every_s") * 1000);
    signal.addEventListener("abort", () => clearInterval(timer));
  },
};
