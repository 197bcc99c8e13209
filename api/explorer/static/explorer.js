// What makes pages live: times that count on, fragments that follow the chain, a switch, copies.
"use strict";

const body = document.body;
const loadedAt = Date.now() / 1000;
let chainNow = Number(body.dataset.now);
let countedFrom = loadedAt;

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function duration(seconds) {
  const parts = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count) parts.push(`${count} ${name}`);
  }
  return (parts[0] || "0 s");
}

function tick() {
  const now = Math.round(chainNow + Date.now() / 1000 - countedFrom);
  for (const time of document.querySelectorAll("time[data-at]")) {
    const left = Number(time.dataset.at) - now;
    const words = left > 0 ? `in ${duration(left)}` : `${duration(-left)} ago`;
    if (time.textContent !== words) time.textContent = words;
  }
}

function wireCopies(scope) {
  if (!navigator.clipboard) return;
  for (const button of scope.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
}

function wireSwitch() {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage is refused; the choice lasts as long as the page.
    }
  });
}

function wireSearch() {
  const field = document.getElementById("search");
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
    }
  });
}

function pathOf(element) {
  // Where an element is below the content, so that its successor can be found.
  const path = [];
  for (let at = element; at && at.id !== "content"; at = at.parentElement) {
    if (!at.parentElement) return null;
    path.unshift([...at.parentElement.children].indexOf(at));
  }
  return path;
}

function replaceContent(fresh) {
  const old = document.getElementById("content");
  const known = new Set([...old.querySelectorAll("[data-key]")].map((each) => each.dataset.key));
  const opened = [...old.querySelectorAll("details[open]")].map((each) => each.id);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const link = focused && focused.getAttribute("href");
  const path = focused && pathOf(focused);
  for (const each of fresh.querySelectorAll("[data-key]")) {
    if (!known.has(each.dataset.key)) each.classList.add("fresh");
  }
  for (const id of opened) {
    const each = id && fresh.querySelector(`#${CSS.escape(id)}`);
    if (each) each.open = true;
  }
  const before = old.querySelector("[data-say]")?.dataset.say;
  old.replaceChildren(...fresh.childNodes);
  if (focused) {
    let next = path.reduce((at, index) => at && at.children[index], old);
    if (!next || next.getAttribute("href") !== link) {
      next = link ? old.querySelector(`a[href="${CSS.escape(link)}"]`) : next;
    }
    (next || old).focus({ preventScroll: true });
  }
  const say = old.querySelector("[data-say]")?.dataset.say;
  if (say && say !== before) document.getElementById("said").textContent = say;
  wireCopies(old);
}

let isReading = false;
let isStale = false;

async function refresh() {
  if (isReading) {
    isStale = true;
    return;
  }
  isReading = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      chainNow = Number(page.body.dataset.now);
      countedFrom = Date.now() / 1000;
      document.title = page.title;
      replaceContent(page.getElementById("content"));
      const block = page.getElementById("block");
      if (block) document.getElementById("block").textContent = block.textContent;
      tick();
    }
  } catch {
    // The gateway is away; the next event, or the next connection, asks again.
  } finally {
    isReading = false;
    if (isStale) {
      isStale = false;
      refresh();
    }
  }
}

function follow() {
  const live = body.dataset.live;
  const dot = document.getElementById("pulse-dot");
  if (!live || !dot) return;
  const events = new EventSource(`${body.dataset.root}/events`);
  events.addEventListener("open", () => {
    dot.className = "on";
    // What happened between the page and the connection was told to nobody.
    refresh();
  });
  events.addEventListener("error", () => { dot.className = "off"; });
  events.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    document.getElementById("block").textContent = change.block.toLocaleString("en-US");
    if (change.pages.includes(live)) refresh();
  });
  addEventListener("pagehide", () => events.close());
}

wireCopies(document);
wireSwitch();
wireSearch();
tick();
setInterval(tick, 1000);
follow();
