/** The status page: shows each event of the server, and says so when there are none. */

const RETRY = 3000; // milliseconds; a browser itself does not try again after a refusal
const root = document.body.dataset.root;
const state = document.getElementById("state");
const away = document.getElementById("away");
const pause = document.getElementById("pause");

let source = null;
let retry = 0; // the timer of the next try
let latest = null; // when the numbers on the page were taken
let ending = false; // whether the server has said that it shuts down

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text; // keeps what a person has selected
}

function showVerdict(shown) {
  const verdict = document.getElementById("verdict");
  verdict.classList.remove("good", "warn", "bad");
  verdict.classList.add(shown.level);
  // Numbers change every second; only another verdict is worth reading out.
  if (verdict.dataset.kind !== shown.kind) setText(document.getElementById("announcement"), shown.values.verdict);
  verdict.dataset.kind = shown.kind;
}

function showBars(bars) {
  for (const [name, parts] of Object.entries(bars)) {
    const rects = document.querySelectorAll(`[data-bar="${name}"] rect`);
    const shares = document.querySelectorAll(`[data-share="${name}"]`);
    parts.forEach((part, number) => {
      rects[number].setAttribute("x", part.start);
      rects[number].setAttribute("width", part.width);
      setText(shares[number], part.share);
    });
  }
}

/** Show rows in a table, in the rows that are there already as far as they go. */
function showRows(name, rows) {
  const table = document.querySelector(`[data-table="${name}"]`);
  const columns = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  table.closest(".scroll").hidden = rows.length === 0;
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, number) => {
    const row = body.rows[number] ?? body.insertRow();
    cells.forEach((text, column) => {
      const cell = row.cells[column] ?? row.insertCell();
      cell.className = columns[column].className;
      setText(cell, text);
    });
  });
}

function show(shown) {
  for (const [name, text] of Object.entries(shown.values)) {
    document.querySelectorAll(`[data-value="${name}"]`).forEach((element) => setText(element, text));
  }
  for (const [name, path] of Object.entries(shown.lines)) {
    document.querySelector(`[data-line="${name}"]`)?.setAttribute("d", path);
  }
  showVerdict(shown);
  showBars(shown.bars);
  showRows("streams", shown.streams);
  showRows("errors", shown.errors);
  latest = new Date(shown.taken * 1000);
  ending = shown.kind === "shutting-down";
  away.hidden = true;
  setText(state, "live");
}

function showAway() {
  const since = latest ? ` The numbers are those of ${latest.toLocaleTimeString()}.` : "";
  const what = ending ? "The server has shut down." : "The server does not respond.";
  setText(away, `${what}${since} Trying again…`);
  away.hidden = false;
  setText(state, "away");
}

/** Follow the events from now on, in place of what was followed before, unless the page is paused. */
function follow() {
  leave();
  if (pause.hasAttribute("data-paused")) return;
  source = new EventSource(`${root}/status/events`);
  source.addEventListener("page", (event) => show(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    showAway();
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again itself
    retry = setTimeout(follow, RETRY);
  });
}

function leave() {
  clearTimeout(retry);
  source?.close();
}

function togglePause() {
  const paused = pause.toggleAttribute("data-paused");
  setText(pause, paused ? "Resume" : "Pause");
  follow();
  if (!paused) return;
  away.hidden = true; // it says that the page tries again
  setText(state, latest ? `paused at ${latest.toLocaleTimeString()}` : "paused");
}

pause.hidden = false;
pause.addEventListener("click", togglePause);
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => { if (event.persisted) follow(); }); // from the history
follow();
