// The page polls for looks and draws them; the region is drawn with the pointer or
// typed as percentages. Everything that comes from the server is set as text.
"use strict";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const WHOLE = [0, 0, 1, 1];
const WORDS = { good: "good", fair: "could be better", bad: "not good enough", open: "not known yet" };

let look = null;      // the newest
let draft = null;     // a region that is drawn but not saved
let corner = null;    // where the drawing began

async function watch() {
  let after = 0;
  for (;;) {
    try {
      const answer = await fetch(`/look?after=${after}`, { cache: "no-store" });
      if (answer.status === 403) { location.reload(); return; }
      if (answer.status === 200) {
        look = await answer.json();
        after = look.sequence;
        show();
      }
    } catch {
      problem("The unit does not answer. Is nrd-agent aim still running?");
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

function show() {
  problem(look.problem);
  if (look.picture) $("picture").src = `data:image/jpeg;base64,${look.picture}`;
  if (!look.width) return;
  $("state").textContent = `${look.width} × ${look.height} px · ${look.rate || "–"} frames a second`;
  overlay();
  advice($("advice"), look.advice);
  plates();
  minute(look.minute);
  $("verdict").className = `verdict ${look.verdict.level}`;
  $("verdict").textContent = look.verdict.text;
  advice($("checks"), look.verdict.checks);
}

function advice(list, items) {
  const text = JSON.stringify(items);
  if (list.dataset.text === text) return; // said once, not at every look
  list.dataset.text = text;
  list.replaceChildren(...items.map((item) => {
    const li = element("li", { class: item.level });
    li.append(element("b", {}, WORDS[item.level]), item.text);
    return li;
  }));
}

function plates() {
  const counted = look.plates.filter((p) => p.counted);
  $("plates").hidden = counted.length === 0;
  $("plates").tBodies[0].replaceChildren(...counted.map((p) => {
    const row = element("tr");
    const read = p.read ? `${p.read} · ${p.sure} %` : p.sure ? `${p.sure} % sure` : "not read";
    for (const text of [`${p.width} px`, `${p.sharpness} of 100`, read, p.says]) row.append(element("td", {}, text));
    return row;
  }));
}

function minute(m) {
  $("seen").textContent = m.seen;
  $("read").textContent = m.read;
  $("confidence").textContent = m.read ? `${m.confidence} %` : "–";
  $("frames").textContent = m.seen ? m.frames : "–";
  const most = Math.max(1, ...m.widths.map((w) => w.count));
  $("widths").replaceChildren(...m.widths.map((w) => {
    const row = element("tr");
    const cell = element("td");
    cell.append(element("meter", { min: 0, max: most, value: w.count, "aria-label": `${w.count} plates` }));
    row.append(element("th", { scope: "row" }, w.label), cell, element("td", {}, w.count));
    return row;
  }));
}

// overlay draws outlines, tags and the region in pixels of the camera's picture.
function overlay() {
  const { width: w, height: h } = look;
  const svg = $("overlay");
  svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  const shapes = [];
  const region = draft || (look.region.some((v) => v) ? look.region : null);
  if (region) {
    const [x0, y0, x1, y1] = [region[0] * w, region[1] * h, region[2] * w, region[3] * h];
    const inner = `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
    shapes.push(shape("path", { class: "outside", d: `M0 0H${w}V${h}H0Z${inner}` }), shape("path", { class: "region", d: inner }));
  }
  const unit = w / Math.max(1, svg.clientWidth); // pixels of the picture in one of the screen
  for (const p of look.plates) {
    const corners = p.outline.map(([x, y]) => [x * w, y * h]);
    shapes.push(shape("polygon", { class: `outline ${p.counted ? p.level : "out"}`, points: corners.join(" ") }));
    const text = `${p.width} px · ${p.counted ? p.says : "outside"}${p.read ? ` · ${p.read}` : ""}`;
    const size = 15 * unit, wide = text.length * size * 0.56 + size;
    const x = Math.min(Math.max(0, Math.min(...corners.map((c) => c[0]))), w - wide);
    const above = Math.min(...corners.map((c) => c[1])) - 1.9 * size;
    const y = above < 0 ? Math.max(...corners.map((c) => c[1])) + 0.4 * size : above;
    shapes.push(shape("rect", { class: "tag-ground", x, y, width: wide, height: 1.5 * size, rx: 0.25 * size }));
    const label = shape("text", { class: "tag-text", x: x + 0.5 * size, y: y + 1.08 * size });
    label.setAttribute("font-size", size);
    label.style.fontSize = `${size}px`;
    label.textContent = text;
    shapes.push(label);
  }
  svg.replaceChildren(...shapes);
}

function shape(name, attributes) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") e.setAttribute(key, value);
  return e;
}

function element(name, attributes = {}, text = null) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== null) e.textContent = text;
  return e;
}

// --- the region ---------------------------------------------------------------

function drawing(on) {
  $("draw").setAttribute("aria-pressed", on);
  $("stage").classList.toggle("drawing", on);
  if (on && !draft) propose(look && look.region.some((v) => v) ? look.region : WHOLE);
}

function propose(region) {
  draft = region;
  for (const id of ["save", "drop", "numbers"]) $(id).hidden = !draft;
  if (draft) {
    draft.forEach((v, i) => { const input = $("numbers").elements[i]; if (input !== document.activeElement) input.value = Math.round(v * 100); });
    $("saved").textContent = "";
  } else {
    drawing(false);
  }
  if (look && look.width) overlay();
}

function place(event) {
  const box = $("stage").getBoundingClientRect();
  const share = (v, from, size) => Math.min(1, Math.max(0, (v - from) / size));
  return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
}

function between(a, b) {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
}

$("stage").addEventListener("pointerdown", (event) => {
  if (!$("stage").classList.contains("drawing") || !event.isPrimary) return;
  event.preventDefault();
  $("stage").setPointerCapture(event.pointerId);
  corner = place(event);
});
$("stage").addEventListener("pointermove", (event) => {
  if (corner) propose(between(corner, place(event)));
});
for (const end of ["pointerup", "pointercancel"]) $("stage").addEventListener(end, () => { corner = null; });

$("draw").addEventListener("click", () => drawing($("draw").getAttribute("aria-pressed") !== "true"));
$("whole").addEventListener("click", () => { propose(WHOLE); });
$("drop").addEventListener("click", () => propose(null));
$("numbers").addEventListener("submit", (event) => event.preventDefault());
$("numbers").addEventListener("input", () => {
  const v = [...$("numbers").elements].map((input) => input.valueAsNumber / 100);
  if (v.every((n) => n >= 0 && n <= 1) && v[0] < v[2] && v[1] < v[3]) propose(v);
});
$("save").addEventListener("click", async () => {
  const round = draft.map((v) => Math.round(v * 1000) / 1000);
  const region = round.every((v, i) => v === WHOLE[i]) ? [0, 0, 0, 0] : round; // all of it is no region
  try {
    const answer = await fetch("/region", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(region) });
    const text = answer.ok ? (await answer.json()).text : await answer.text();
    if (answer.ok) { if (look) look.region = region; propose(null); }
    $("saved").textContent = text;
  } catch {
    $("saved").textContent = "The unit does not answer: the region was not saved.";
  }
});

watch();
