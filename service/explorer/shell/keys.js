/** Keys that follow the links of a page, or press its buttons: those with data-key. People can turn letters off. */

/** Elements in which keys have a meaning already. */
export const TYPING = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const STORED = "saccade-sampler-keys";

/** Return whether keys of one character are on. Speech input would type them by accident, so they can be turned off. */
function areOn() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true; // a browser that stores nothing
  }
}

function turn(on) {
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch (error) {
    console.warn("The browser does not store that keys are off.", error);
  }
}

/** Return whether arrows scroll sideways what has the focus. */
function scrolls(element) {
  const part = element.closest?.(".scroll, .stage");
  return part && part.scrollWidth > part.clientWidth;
}

/** Follow the link, or press the button, whose data-key is the key. */
function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.(TYPING)) return;
  if (event.key.length === 1 && !areOn()) return;
  if (event.key.startsWith("Arrow") && scrolls(event.target)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault(); // an arrow would scroll the page as well
  target.click();
}

/** Return a key and its meaning, for the list. */
function described(target) {
  const key = document.createElement("kbd");
  key.textContent = NAMES[target.dataset.key] ?? target.dataset.key;
  const meaning = (target.dataset.keyLabel ?? target.textContent).replace(/[←→]/g, "").trim().toLowerCase();
  return [key, ` ${meaning}`];
}

/** Fill the list of keys in the footer. Keys have no meaning without this script, so it makes the list. */
function list(place, targets) {
  const shown = targets.filter((target) => areOn() || target.dataset.key.length > 1);
  const lines = shown.flatMap((target, number) => [number ? ", " : "", ...described(target)]);
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "plain";
  toggle.textContent = areOn() ? "Turn letters off" : "Turn letters on";
  toggle.addEventListener("click", () => {
    turn(!areOn());
    list(place, targets);
    place.querySelector("button").focus(); // the one that was pressed is gone
  });
  place.replaceChildren("Keys: ", ...lines, ...(lines.length ? [". "] : []), toggle);
  place.hidden = false;
}

/** Let the keys of a page work, and list them. */
export function useKeys() {
  document.addEventListener("keydown", press);
  const place = document.getElementById("keys");
  const targets = [...document.querySelectorAll("[data-key]")];
  if (place && targets.length > 0) list(place, targets);
}
