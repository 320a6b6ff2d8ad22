// The controls of ipywidgets that the units use, as plain HTML, and their line to the kernel.
const session = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
const drawn = [];  // promises of the first figures
const models = new Map();  // id -> {name, state, views: functions that show a change}
const queue = [];  // what the kernel has not been told yet; of a control only the latest value
let socket, asking, waiting = null, lost = 0;

const said = text => { document.getElementById("state").textContent = text; };

function send(type, content, metadata = {}) {
  const header = { msg_id: `${session}-${send.count++}`, msg_type: type, username: "", session,
                   version: "5.3", date: new Date().toISOString() };
  socket.send(JSON.stringify(
    { header, parent_header: {}, metadata, content, buffers: [], channel: "shell" }));
  return header.msg_id;
}
send.count = 0;

// One message at a time: what is moved while the kernel draws waits here, the latest value only.
function tell(id, data) {
  const last = queue.findLast(entry => entry.id === id);
  if (last?.data.state && data.state) Object.assign(last.data.state, data.state);
  else queue.push({ id, data });
  pump();
}

function pump() {
  if (waiting || !queue.length || socket.readyState !== WebSocket.OPEN) return;
  const { id, data } = queue.shift();
  waiting = send("comm_msg", { comm_id: id, data });
}

function change(id, state) {
  Object.assign(models.get(id).state, state);
  tell(id, { method: "update", state, buffer_paths: [] });
}

function receive({ header, parent_header, content }) {
  const data = content.data ?? {};
  if (header.msg_type === "comm_msg" && data.method === "update_states") return begin(data.states);
  if (header.msg_type === "comm_msg" && data.method === "update" && models.has(content.comm_id)) {
    const model = models.get(content.comm_id);
    Object.assign(model.state, data.state);
    model.views.forEach(show => show());
  }
  if (header.msg_type === "status" && content.execution_state === "idle"
      && parent_header.msg_id === waiting) {
    waiting = null;
    pump();
  }
}

function shown(id, show) {
  models.get(id).views.push(show);
  return show();
}

const children = state => state.children.map(child => view(child.replace("IPY_MODEL_", "")));

function labelled(kind, state, ...parts) {
  return make("div", { class: `control ${kind}` },
    make("label", { for: parts[0].id }, state.description), ...parts);
}

function slider(id, state, { kind = "numbers", low, high, step, read, write, words }) {
  const input = make("input", { type: "range", id: `c-${id}`, min: low, max: high, step });
  const output = make("output", { for: input.id });
  input.addEventListener("input", () => { change(id, write(input.value)); put(); });
  const put = () => {
    input.value = read();
    output.textContent = words();
    input.setAttribute("aria-valuetext", words());
  };
  const made = labelled(kind, state, input, output);
  shown(id, put);
  return made;
}

// The teacher sees how often an answer was given first, and how many are right by now: no names.
function count(reply) {
  const box = reply.closest(".alliance-exercise");
  const said = /^(Right|Close|Not yet):/.exec(reply.textContent)?.[1];
  if (!box || !said) return;
  const field = box.querySelector("input, select"), exercise = label(field).split(" ").at(-1);
  once("first", exercise, field.tagName === "SELECT" ? field.value : said);
  if (said === "Right") once("right", exercise, "right by now");
}

function once(what, exercise, said) {
  const key = `${place(exercise)} ${what}`, unit = /(\w+)\.ipynb$/.exec(location.pathname)?.[1];
  if (sessionStorage.getItem(key)) return;
  sessionStorage.setItem(key, "told");
  post("answers", { unit, exercise, said });
}

const number = digits => (id, state) => slider(id, state, {
  low: state.min, high: state.max, step: state.step,
  read: () => state.value, write: text => ({ value: Number(text) }),
  words: () => state.value.toFixed(digits(state)) });

const VIEWS = {
  VBoxModel: (id, state) => make("div", {}, ...children(state)),
  HBoxModel: (id, state) => make("div", { class: "row" }, ...children(state)),
  IntSliderModel: number(() => 0),
  FloatSliderModel: number(state => Number(state.readout_format.match(/\d+/)[0])),
  SelectionSliderModel: (id, state) => slider(id, state, {
    kind: "names", low: 0, high: state._options_labels.length - 1, step: 1,
    read: () => state.index, write: text => ({ index: Number(text) }),
    words: () => state._options_labels[state.index] }),
  ToggleButtonsModel: (id, state) => {
    const buttons = state._options_labels.map(name => make("button", { type: "button" }, name));
    const put = () => buttons.forEach((b, at) => b.setAttribute("aria-pressed", at === state.index));
    buttons.forEach((b, at) =>
      b.addEventListener("click", () => { change(id, { index: at }); put(); }));
    shown(id, put);
    const group = { class: "choices", role: "group", "aria-label": state.description };
    return make("div", { class: "control choice" },
      make("span", {}, state.description), make("div", group, ...buttons));
  },
  ButtonModel: (id, state) => {
    const made = make("button", { type: "button" }, state.description);
    made.addEventListener("click", () => tell(id, { method: "custom", content: { event: "click" } }));
    return made;
  },
  TextModel: (id, state) => {
    const input = make("input", { type: "text", id: `c-${id}`, autocomplete: "off" });
    queueMicrotask(() => remember(input, () => change(id, { value: input.value })));
    input.addEventListener("keydown", event => {
      if (event.key === "Enter") input.closest(".row").querySelector("button").click();
    });
    return make("span", { class: "answer" }, make("label", { for: input.id }, state.description), input);
  },
  DropdownModel: (id, state) => {
    const input = make("select", { id: `c-${id}` },
      ...state._options_labels.map(name => make("option", {}, name)));
    queueMicrotask(() => remember(input, () => change(id, { index: input.selectedIndex })));
    return make("span", { class: "answer" }, make("label", { for: input.id }, state.description), input);
  },
  HTMLModel: (id, state) => {
    const made = make("div", { "aria-live": "polite" });
    drawn.push(shown(id, async () => {  // a new figure is decoded before it replaces the old one
      const next = make("div"), value = state.value;
      next.innerHTML = value;
      await Promise.all([...next.querySelectorAll("img")].map(image => image.decode()));
      if (value !== state.value) return;
      made.replaceChildren(...next.childNodes);
      count(made);
    }));
    return made;
  },
};

function view(id) {
  const { name, state } = models.get(id);
  const made = VIEWS[name](id, state);
  made.classList.add(...state._dom_classes ?? []);
  return made;
}

async function begin(states) {
  if (models.size) return;
  clearInterval(asking);
  for (const [id, { model_name, state }] of Object.entries(states))
    models.set(id, { name: model_name, state, views: [] });
  for (const place of document.querySelectorAll(".widget[data-model]"))
    place.append(view(place.dataset.model));
  await Promise.all(drawn);
  said("");
  document.body.dataset.ready = "yes";
}

function ask() {
  const comm_id = `${session}-control-${send.count}`;
  send("comm_open", { comm_id, target_name: "jupyter.widget.control", data: {} }, { version: "1.0.0" });
  send("comm_msg", { comm_id, data: { method: "request_states" } });
}

function connect() {
  const address = location.origin.replace(/^http/, "ws") + BASE;
  socket = new WebSocket(`${address}api/kernels/${KERNEL}/channels?session_id=${session}`);
  socket.addEventListener("message", ({ data }) => receive(JSON.parse(data)));
  socket.addEventListener("open", () => {
    [lost, waiting] = [0, null];
    said(models.size ? "" : "Preparing the controls …");
    if (models.size) pump();
    else { ask(); asking = setInterval(ask, 2000); }
  });
  socket.addEventListener("close", () => {
    clearInterval(asking);
    said(lost++ < 5 ? "The connection is lost; trying again …"
                    : "Your session has ended. Reload the page to begin anew.");
    if (lost <= 5) setTimeout(connect, 2000);
  });
}

// What is large is the place, so that it stays when a slider puts a new figure there.
document.addEventListener("click", ({ target }) => {
  if (target.matches(".alliance-figure")) target.parentElement.classList.toggle("large");
});

document.querySelectorAll(".essay").forEach(box => remember(box));
document.getElementById("with-code").addEventListener("change",
  event => document.body.classList.toggle("with-code", event.target.checked));
for (const wrong of ["error", "unhandledrejection"])
  window.addEventListener(wrong, () =>
    said("Something is missing on this page. Load it again; if that does not help, tell your teacher."));
window.addEventListener("pageshow", event => event.persisted && location.reload());
connect();
