"use strict";

const one = (selector, from = document) => from.querySelector(selector);
const role = document.body.dataset.role;

// lostAfter is how long no heartbeat may come, in milliseconds; they come each
// second. highAgain is how often an urgent hit that nobody acknowledged sounds.
const lostAfter = 2400, highAgain = 12000;
// settle is how long something must have been in front before it can be answered: a
// tap that was on its way, or a second one, is not about it.
const settle = 700;

let view = null; // what the unit last said may be shown
let chosen = 0; // the alert that was touched in the queue
let front = "", since = 0; // what is in front, and since when
let beaten = performance.now();
let events = null, connected = performance.now();
let lost = false, met = false; // met: the unit has given a heartbeat
const sounded = new Map(); // alert's number → its sounds, when

// make builds an element: text is never taken for HTML.
const make = (name, attributes = {}, ...inner) => {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...inner.filter((i) => i !== null && i !== ""));
  return e;
};
const icon = (name, label) => {
  const s = document.createElementNS("http://www.w3.org/2000/svg", "svg"), u = document.createElementNS("http://www.w3.org/2000/svg", "use");
  u.setAttribute("href", "#" + name);
  s.append(u);
  s.classList.add("icon", name);
  if (label) { s.setAttribute("role", "img"); s.setAttribute("aria-label", label); } else s.setAttribute("aria-hidden", "true");
  return s;
};
// put replaces what is there only where it differs, so that a screen reader does
// not say all of it again.
const put = (place, ...content) => {
  const next = make("div", {}, ...content);
  if (place.innerHTML === next.innerHTML) return;
  const held = place.contains(document.activeElement) && document.activeElement.dataset.number;
  place.replaceChildren(...next.childNodes);
  if (held) one(`[data-number="${held}"]`, place)?.focus({ preventScroll: true }); // for who has no finger
};

// keep is put for a list of buttons: a child that is as before stays the same node, so
// that a tap on it is not lost when a hit comes while the finger is down.
const keep = (place, ...content) => {
  let old = place.firstChild;
  const held = place.contains(document.activeElement) && document.activeElement.dataset.number;
  for (const child of content) {
    let same = old;
    while (same && !same.isEqualNode(child)) same = same.nextSibling;
    if (!same) { place.insertBefore(child, old); continue; }
    while (old !== same) { const gone = old; old = old.nextSibling; gone.remove(); }
    old = same.nextSibling;
  }
  while (old) { const gone = old; old = old.nextSibling; gone.remove(); }
  if (held) one(`[data-number="${held}"]`, place)?.focus({ preventScroll: true });
};

const flags = [["withdrawn", "withdrawn"], ["partly", "partly withdrawn"], ["provisional", "provisional"], ["near", "near match"], ["verify", "verify before stop"], ["markers", "warning markers"], ["seen", "acknowledged"]];
const words = { high: "High", medium: "Medium", low: "Low", none: "Intelligence" };

// symbolOf shows an alert without words; a screen reader is told.
const symbolOf = (a) => make("div", { class: "symbol " + a.priority + (a.over || a.withdrawn ? " faded" : "") },
  icon(a.priority, words[a.priority] + " priority hit"),
  make("div", { class: "flags" }, ...flags.filter(([f]) => a[f]).map(([f, label]) => icon(f, label))));

const lights = () => view.status.map((l) => make("li", { class: l.state, ...(l.text ? {} : { "aria-label": l.part + " " + l.state }) }, icon(l.part), l.text ? make("span", {}, l.text) : ""));

// differing underlines the characters in which the list's mark is not the read one.
const differing = (listed, read) => {
  const plain = read.replaceAll(" ", "");
  let n = 0;
  return [...listed].map((c) => (c === " " || c === plain[n++] ? c : make("u", {}, c)));
};

const entryOf = (e, most, read = "") => make("div", { class: "entry" + (e.gone ? " gone" : "") },
  e.gone ? make("p", { class: "say withdrawn-say" }, icon("withdrawn"), "WITHDRAWN: " + e.gone) : "",
  e.markers?.length ? make("p", { class: "markers-row" }, ...e.markers.map((m) => make("strong", { class: "marker" }, m))) : "",
  make("p", { class: "asks" }, make("span", { class: "chip " + e.priority }, words[e.priority].toUpperCase()), " ", make("b", {}, e.action), e.action && e.reason ? ": " : "", e.reason),
  e.vrm ? make("p", { class: "not-same" }, "The list has ", make("b", {}, ...differing(e.vrm, read))) : "",
  !most && e.vehicle ? make("p", {}, e.vehicle) : "",
  e.information ? make("p", {}, e.information) : "",
  e.instructions ? make("p", {}, e.instructions) : "",
  make("p", { class: "list " + e.freshness }, e.list, ", ", e.live ? make("b", {}, "LIVE") : e.age, e.force ? ", " + e.force : "",
    e.freshness === "stale" ? make("b", {}, " VERIFY BEFORE STOP") : e.freshness === "amber" ? make("b", {}, " list is late") : ""));

// says is what must be known of an alert before anything else.
const says = (a) => [
  a.withdrawn ? make("p", { class: "say withdrawn-say" }, icon("withdrawn"), "WITHDRAWN: " + a.why) : "",
  a.unseen ? make("p", { class: "say withdrawn-say" }, icon("partly"), "LAST SIGHTING WITHDRAWN: " + a.unseen) : "",
  a.provisional ? make("p", { class: "say" }, icon("provisional"), "PROVISIONAL: not confirmed yet") : "",
  a.near ? make("p", { class: "say" }, icon("near"), "NEAR MATCH: compare the plate") : "",
  a.readAs ? make("p", { class: "say" }, icon("near"), make("span", {}, "PUT RIGHT, read as ", make("b", {}, ...differing(a.readAs, a.vrm)), ": compare the plate")) : "",
  a.verify ? make("p", { class: "say verify-say" }, icon("verify"), "VERIFY BEFORE STOP: the list is out of date") : "",
];

const currentOf = (a) => [
  make("div", { class: "top " + a.priority }, symbolOf(a),
    make("div", { class: "what" },
      make("p", { class: "plate" + (a.provisional ? " unsure" : "") + (a.withdrawn ? " void" : "") }, a.vrm),
      make("p", { class: "vehicle" }, a.vehicle),
      make("p", { class: "where" }, [a.at, a.camera, a.direction, a.times > 1 ? "seen " + a.times + " times" : ""].filter(Boolean).join(", ")))),
  ...says(a),
  make("div", { class: "detail" },
    make("div", { class: "entries" }, ...a.entries.map((e, i) => entryOf(e, i === 0, a.vrm))),
    a.patch || a.overview ? make("div", { class: "pictures" },
      a.patch ? make("img", { class: "patch", src: `/picture/${a.number}/patch`, alt: "Plate of " + a.vrm }) : "",
      a.overview ? make("img", { src: `/picture/${a.number}/overview`, alt: "Vehicle with the plate " + a.vrm }) : "") : ""),
  a.seenBy ? make("p", { class: "by" }, icon("seen"), "Acknowledged by " + a.seenBy) : "",
  a.overBy ? make("p", { class: "by" }, "Outcome: ", make("b", {}, a.outcome), ", by " + a.overBy) : "",
];

// current is the alert in front: the one that was touched, until a new one comes
// that nobody has acknowledged.
const current = () => view.alerts.find((a) => a.number === chosen) ?? view.alerts[0];

const draw = () => {
  const shown = view !== null && met && !lost;
  const glancing = shown && role === "driver" && view.moving;
  const duty = shown && !glancing && view.officer !== null;
  document.body.dataset.state = lost ? "lost" : !shown ? "waiting" : glancing ? "moving" : duty ? "duty" : "signed-off";
  put(one(".status"), ...(shown ? lights() : []));
  one(".glance").hidden = !glancing;
  one(".sign-on").hidden = !shown || glancing || view.officer !== null;
  one(".duty").hidden = one("footer").hidden = !duty;
  one(".confirm").hidden = !duty || !view.officer.confirm;
  one(".unmute").hidden = sound.plays() || !(glancing || duty);
  if (!duty) { const d = one("dialog"); if (d.open) d.close(); put(one(".current")); put(one(".queue ul")); put(one(".officer")); }
  if (!glancing) put(one(".glance"));
  if (glancing || !duty) complain("");
  if (glancing) put(one(".glance"), ...view.alerts.filter((a) => !a.over).slice(0, 4).map(symbolOf));
  if (shown && view.officer === null) sounded.clear(); // who comes next has heard none of it
  if (!duty) { front = ""; return; }
  const a = current(), before = front;
  front = a ? a.number + "/" + a.sounds : "";
  if (front !== before) since = performance.now();
  put(one(".current"), ...(a ? currentOf(a) : [make("p", { class: "quiet" }, "No hits.")]));
  one(".answers").hidden = !a || a.over;
  if (a) one(".acknowledge").ariaDisabled = String(a.seen); // a button that is disabled loses the focus
  keep(one(".queue ul"), ...view.alerts.map((q) => make("li", {},
    make("button", { "data-number": q.number, ...(q === a ? { "aria-current": "true" } : {}), class: q.over || q.withdrawn ? "faded" : "" },
      icon(q.priority, words[q.priority]), make("b", {}, q.vrm), make("span", {}, q.outcome || (q.withdrawn ? "withdrawn" : q.seen ? "acknowledged" : q.at))))));
  const o = view.officer;
  put(one(".officer"), make("span", {}, make("b", {}, o.collar), ` on duty since ${o.since}`), make("span", {}, `${o.authoriser}, log ${o.reference}`));
};

// complain says what went wrong, but to no driver who may be moving.
const complain = (text) => {
  const say = role === "driver" && (!view || view.moving) ? "" : text, p = one(".problem");
  p.hidden = !say;
  p.textContent = say;
};

// ring sounds what is new, and again what is urgent and not acknowledged. What
// was sounded stands in the page, so that it can be seen without ears.
const ring = () => {
  if (!view || !met || lost || !sound.plays()) return;
  const now = performance.now();
  for (const a of view.alerts) {
    const before = sounded.get(a.number);
    if (!a.sound) continue;
    const again = a.sound === "high" && before && now - before.at >= highAgain;
    if (before && before.sounds === a.sounds && !again) continue;
    sounded.set(a.number, { sounds: a.sounds, at: now });
    if (sound.play(a.sound)) one(".sounds").dataset.last = a.sound;
    return; // one at a time; the next heartbeat rings the next
  }
};

const take = (text) => {
  const before = new Set(view?.alerts.map((a) => a.number));
  const looked = view && current();
  view = JSON.parse(text);
  // What is withdrawn while officers look at it stays where they look.
  if (looked && !looked.withdrawn && view.alerts.some((a) => a.number === looked.number && a.withdrawn && !a.over)) chosen = looked.number;
  if (view.alerts.some((a) => !before.has(a.number) && a.sound)) chosen = 0;
  draw();
  ring();
};

// beat moves the indicator. Nothing else does.
const beat = (number) => {
  beaten = performance.now();
  one(".beat").dataset.at = number % 4;
  if (lost || !met) {
    lost = false;
    met = true;
    one(".lost").hidden = true;
    draw();
  }
  ring();
};

const connect = () => {
  events?.close();
  connected = performance.now();
  events = new EventSource("/events");
  events.addEventListener("view", (e) => take(e.data));
  events.addEventListener("beat", (e) => beat(Number(e.data)));
  events.addEventListener("forgotten", () => location.reload());
};

// lose says that contact is lost, and takes away what may be wrong by now. The
// driver is told by a symbol: nobody knows whether the vehicle stands.
const lose = () => {
  lost = true;
  view = null;
  const place = one(".lost");
  place.replaceChildren(icon("lost", role === "driver" ? "Lost contact with the unit" : ""), role === "driver" ? "" : make("span", {}, "Lost contact with the unit. No hits can be shown."));
  place.hidden = false;
  if (sound.play("lost")) one(".sounds").dataset.last = "lost";
  draw();
  connect(); // a new stream says first what may be shown now
};

const watch = () => {
  const now = performance.now();
  if (now - beaten > lostAfter && !lost) lose();
  if (lost && now - Math.max(beaten, connected) > lostAfter) connect();
};

const send = async (path, fields = {}) => {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields), signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (!answer) { complain("The unit did not answer. Nothing was sent."); return null; }
  if (!answer.ok) { complain((await answer.text()).trim()); return null; }
  complain("");
  return { value: await answer.json() };
};

one(".sign-on").addEventListener("submit", async (e) => {
  e.preventDefault();
  const form = e.currentTarget;
  await Promise.all([sound.unlock(), send("/sign-on", new FormData(form)).then((done) => { if (done) form.reset(); })]);
  if (view) draw();
});
one(".unmute").addEventListener("click", async () => {
  if (!await sound.unlock()) complain("This tablet gives no sound. Watch the screen.");
  if (view) { draw(); ring(); }
});
one(".still-on").addEventListener("click", () => send("/still-on"));
one(".sign-off").addEventListener("click", () => send("/sign-off"));
// answered gives the hit that an answer is about, null while it, or what is new of
// it, has only just come to the front.
const answered = () => (view && front && performance.now() - since >= settle ? current() : null);
one(".acknowledge").addEventListener("click", () => { const a = answered(); if (a && !a.seen) send("/acknowledge", { number: a.number }); });
for (const b of document.querySelectorAll("[data-disposition]")) {
  b.addEventListener("click", () => { const a = answered(); if (a) { chosen = a.number; send("/disposition", { number: a.number, disposition: b.dataset.disposition }); } });
}
one(".queue").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (!b) return;
  chosen = Number(b.dataset.number);
  draw();
  since = -settle; // who chose it means it, however new the page is
});
one(".open-check").addEventListener("click", () => { one("dialog form").reset(); one(".result").replaceChildren(); one("dialog").showModal(); });
one("dialog form").addEventListener("submit", async (e) => {
  if (e.submitter?.value === "close") return;
  e.preventDefault();
  const place = one(".result");
  place.replaceChildren();
  const done = await send("/check", new FormData(e.currentTarget));
  if (!done) { place.textContent = one(".problem").textContent; return; }
  const { vrm, entries, live } = done.value;
  place.replaceChildren(make("p", {}, make("b", {}, vrm), entries.length ? " is of interest" : live ? " is of no interest" : " is in no list on this unit", live ? " (asked live)" : ": not asked live"), ...entries.map((x) => entryOf(x, false)));
});

// Day or night: as the tablet is set, until it is touched.
const looks = (look) => { if (look) document.documentElement.dataset.look = look; };
looks(localStorage.getItem("look"));
one(".look").addEventListener("click", () => {
  const now = document.documentElement.dataset.look ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day");
  const next = now === "night" ? "day" : "night";
  localStorage.setItem("look", next);
  looks(next);
});

sound.onchange = draw;
connect();
setInterval(watch, 100);
document.addEventListener("visibilitychange", watch);
