/** What all pages share: keys that follow links, forms that submit themselves, and short URLs of forms. */

const TYPING = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/** Follow the link, or press the button, whose data-key is the key. */
function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.(TYPING)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault(); // an arrow would scroll the page as well
  target.click();
}

/** List the page's keys in its footer. They have no meaning without this script, so it makes the list. */
function listKeys() {
  const place = document.getElementById("keys");
  const targets = [...document.querySelectorAll("[data-key]")];
  if (!place || targets.length === 0) return;
  place.append("Keys: ");
  targets.forEach((target, number) => {
    const key = document.createElement("kbd");
    key.textContent = NAMES[target.dataset.key] ?? target.dataset.key;
    const meaning = (target.dataset.keyLabel ?? target.textContent).replace(/[←→]/g, "").trim().toLowerCase();
    place.append(number ? ", " : "", key, ` ${meaning}`);
  });
  place.hidden = false;
}

/** Leave empty fields out of the URL: a server refuses them, because they are no numbers. */
function leaveOutEmptyFields(event) {
  const form = event.target;
  if (form.method !== "get") return;
  const empty = [...form.elements].filter((field) => field.name && field.value === "" && !field.disabled);
  for (const field of empty) field.disabled = true;
  // The form is read right after this event; a page from the history must have its fields back.
  setTimeout(() => empty.forEach((field) => { field.disabled = false; }));
}

/** Submit a form with data-submit="change" when one of its choices changes. */
function submitOnChange(event) {
  const form = event.target.form;
  // Not form.dataset: a field of that name hides it.
  if (form?.getAttribute("data-submit") === "change" && event.target.matches("select, [type=checkbox], [type=radio]")) {
    form.requestSubmit();
  }
}

document.addEventListener("keydown", press);
document.addEventListener("submit", leaveOutEmptyFields);
document.addEventListener("change", submitOnChange);
listKeys();
