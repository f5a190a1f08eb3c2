// The live view: puts records at the top as they come and pictures in their
// place when they arrive. Everything else works without this script.
"use strict";

const live = document.querySelector("[data-live]");
if (live) start(live);

function start(live) {
  const mostRecords = 40, mostHits = 20;
  const records = live.querySelector("[data-records]");
  const hits = live.querySelector("[data-hits]");
  const link = live.querySelector("[data-link]");
  const hold = live.querySelector("[data-hold]");
  const hitsOnly = live.querySelector("[data-hits-only]");
  const held = []; // cards that came while the page was held still

  const say = (state, words) => { link.className = "link " + state; link.textContent = words; };
  const holding = () => hold.getAttribute("aria-pressed") === "true";

  hold.addEventListener("click", () => {
    hold.setAttribute("aria-pressed", String(!holding()));
    if (!holding()) held.splice(0).forEach(add);
    hold.textContent = holding() ? "Go on" : "Hold";
  });
  hitsOnly.addEventListener("change", () => records.classList.toggle("hits-only", hitsOnly.checked));

  function add(card) {
    if (document.getElementById(card.id)) return;
    card.classList.add("new");
    records.prepend(card);
    trim(records, mostRecords);
    live.querySelector("[data-empty]").hidden = true;
    if (!("hit" in card.dataset)) return;
    hits.prepend(railCard(card));
    trim(hits, mostHits);
    live.querySelector("[data-no-hits]").hidden = true;
  }

  // A hit stands in the rail as well, without its pictures.
  function railCard(card) {
    const copy = card.cloneNode(true);
    copy.removeAttribute("id");
    copy.classList.add("small");
    copy.querySelectorAll(".card-pictures, .card-facts, .device").forEach((part) => part.remove());
    return copy;
  }

  function trim(list, most) {
    while (list.children.length > most) list.lastElementChild.remove();
  }

  function picture({ id, kind, src }) {
    const card = document.getElementById(id) || held.find((one) => one.id === id);
    const slot = card && card.querySelector(`[data-picture="${kind}"]`);
    if (!slot || slot.querySelector("img")) return;
    const image = new Image();
    image.alt = `${kind} of ${card.querySelector(".marks").textContent}`;
    image.src = src;
    slot.replaceChildren(image);
  }

  function officer({ id, outcome }) {
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = outcome;
    for (const card of [...live.querySelectorAll("[data-key]"), ...held]) {
      if (card.dataset.key === id) card.querySelector("[data-outcome]")?.replaceChildren(tag.cloneNode(true));
    }
  }

  const events = new EventSource(`${live.dataset.events}&after=${live.dataset.after}`);
  events.addEventListener("open", () => say("on", "live"));
  events.addEventListener("error", () => {
    say("off", "no connection to central, trying again");
    // The browser tries again by itself, unless central answered with a page.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  events.addEventListener("record", (event) => {
    const holder = document.createElement("template");
    holder.innerHTML = event.data;
    const card = holder.content.firstElementChild;
    if (!holding()) return add(card);
    held.push(card);
    held.splice(0, held.length - mostRecords);
    hold.textContent = `Go on (${held.length})`;
  });
  events.addEventListener("found", (event) => {
    const holder = document.createElement("template");
    holder.innerHTML = event.data;
    const card = holder.content.firstElementChild;
    const at = held.findIndex((one) => one.id === card.id);
    if (at >= 0) held[at] = card.cloneNode(true);
    document.getElementById(card.id)?.replaceWith(card.cloneNode(true));
    hits.querySelectorAll("[data-key]").forEach((one) => { if (one.dataset.key === card.id) one.remove(); });
    hits.prepend(railCard(card));
    trim(hits, mostHits);
    live.querySelector("[data-no-hits]").hidden = true;
  });
  events.addEventListener("picture", (event) => picture(JSON.parse(event.data)));
  events.addEventListener("officer", (event) => officer(JSON.parse(event.data)));
  events.addEventListener("reload", () => location.reload());
  events.addEventListener("signed-out", () => location.assign("/sign-in"));
  window.addEventListener("pagehide", () => events.close());
}
