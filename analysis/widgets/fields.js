// What all widgets share.
const PAUSE_MS = 300; // after a key, before what was written is sent

// A child that is no element becomes text, so nothing that a model wrote becomes markup.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// The frame of a widget. JupyterLab leaves the keys of an element alone that has the attribute: without it `d d` on a
// button deletes the cell.
function makeRoot(el, label) {
  const root = make("div", { class: "batchbook", role: "group", "aria-label": label });
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  el.append(root);
  return root;
}

// Calls a function now and whenever one of the traits changes, for as long as the widget is shown.
function follow(model, names, show, signal) {
  const events = names.map((name) => `change:${name}`).join(" ");
  model.on(events, show);
  signal.addEventListener("abort", () => model.off(events, show));
  show();
}

function put(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

// A field with its label: what is chosen or written goes to a trait, and a trait that Python sets to the field.
function makeField(model, name, label, input, signal, read = () => input.value) {
  const isCheck = input.type === "checkbox";
  let timer;
  const send = () => {
    clearTimeout(timer);
    if (read() !== model.get(name)) put(model, name, read());
  };
  input.addEventListener("change", send);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE_MS);
  });
  const show = () => {
    if (isCheck) input.checked = model.get(name);
    else if (input !== document.activeElement || input.tagName === "SELECT") input.value = model.get(name) ?? "";
  };
  follow(model, [name], show, signal);
  return make("label", isCheck ? { class: "beside" } : {}, label, input);
}

function makeSelect(options) {
  return make("select", {}, ...options.map(([value, shown]) => make("option", { value }, shown)));
}

// Keys that are pressed anywhere in the widget but where text is written.
function listen(root, keys) {
  root.addEventListener("keydown", (event) => {
    const writes = event.target.matches("textarea, select, input:not([type=checkbox])");
    if (writes || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}

function makeKeys(texts) {
  const parts = Object.entries(texts).flatMap(([key, text]) => [make("kbd", {}, key), ` ${text}  `]);
  return make("p", { class: "keys" }, "Keys: ", ...parts);
}
