/** What all pages share: keys that follow links, forms that submit themselves, and short URLs of forms. */

import { useKeys } from "./keys.js";

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

/** Let forms say what the page shows: a page that the browser kept also has what was entered before it was left. */
function resetForms(event) {
  if (event.persisted) document.querySelectorAll("form").forEach((form) => form.reset());
}

document.addEventListener("submit", leaveOutEmptyFields);
document.addEventListener("change", submitOnChange);
window.addEventListener("pageshow", resetForms);
useKeys();
