/**
 * Pages that change in place: a link or a form with data-live shows its page without leaving this one.
 *
 * Only elements with data-region are replaced, by those with the same id of the page that the server sent. Without this
 * script, the same links and forms load whole pages.
 */

import { loadAll, watchLayers, watchThumbnail } from "../shell/pictures.js";
import { tell } from "../shell/problem.js";

const DELAY_MS = 200; // while a slider moves, the server is not asked for each of its values

let request = null;
let timer = 0;

/** Show the page of a URL in place. Only the latest call counts: the ones before it are given up. */
export async function show(url, { remember = "replace" } = {}) {
  clearTimeout(timer);
  request?.abort();
  const own = new AbortController();
  request = own;
  const before = values();
  document.getElementById("content").setAttribute("aria-busy", "true");
  try {
    const response = await fetch(url, { signal: own.signal, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.status === 401) return location.assign(url); // the login page, which leads back
    // A page about a sample that cannot be made has regions, too, and leads to other samples.
    if (!response.ok && !page.querySelector("[data-region]")) throw new Error(problemOf(page, response));
    const fresh = regionsOf(page);
    // Loaded before they are shown, so that nothing flickers.
    const problem = await loadAll([...fresh.values()].flatMap((region) => [...region.querySelectorAll("image")]));
    if (own.signal.aborted) return;
    replace(fresh);
    fill(page, before);
    document.title = page.title;
    if (remember === "push") history.pushState(null, "", url);
    if (remember === "replace") history.replaceState(null, "", url);
    tell(problem);
    watchThumbnails();
    document.dispatchEvent(new CustomEvent("shown"));
  } catch (error) {
    if (own.signal.aborted) return;
    tell(`The page could not be shown: ${error.message}`);
  } finally {
    if (request === own) {
      request = null;
      document.getElementById("content").removeAttribute("aria-busy");
    }
  }
}

/** Return what is wrong, as the page about an error says it, and mark its fields. A proxy has other pages. */
function problemOf(page, response) {
  for (const row of page.querySelectorAll("[data-field]")) {
    const field = document.querySelector(`form[data-live] [name="${CSS.escape(row.dataset.field)}"]`);
    field?.setAttribute("aria-invalid", "true");
  }
  const problem = page.querySelector("[data-problem]");
  return problem?.dataset.problem || `the server responded with status ${response.status}`;
}

/** Return the regions of a page, by the elements that they replace. */
function regionsOf(page) {
  const fresh = new Map();
  for (const region of document.querySelectorAll("[data-region]")) {
    const other = page.getElementById(region.id);
    if (other) fresh.set(region, document.adoptNode(other));
  }
  return fresh;
}

function watchThumbnails() {
  document.querySelectorAll("[data-region] .tile img").forEach(watchThumbnail);
}

/** Replace regions; the focus and the positions of scrolled parts stay where they are. */
function replace(fresh) {
  const focused = document.activeElement?.id;
  for (const [region, other] of fresh) {
    const before = [...region.querySelectorAll(".stage")].map((stage) => [stage.scrollLeft, stage.scrollTop]);
    region.replaceWith(other);
    other.querySelectorAll(".stage").forEach((stage, number) => stage.scrollTo(...(before[number] ?? [0, 0])));
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

/** Return the values of the fields of live forms. */
function values() {
  return new Map([...document.querySelectorAll("form[data-live] [name]")].map((field) => [field, field.value]));
}

/** Give the fields of live forms the values of a page, except for those that were changed since it was requested. */
function fill(page, before) {
  for (const [field, value] of before) {
    const other = page.querySelector(`form[data-live] [name="${CSS.escape(field.name)}"]`);
    if (!other || field.value !== value) continue;
    field.disabled = other.disabled;
    if (other.ariaInvalid) field.ariaInvalid = other.ariaInvalid;
    else field.removeAttribute("aria-invalid");
    if (field !== document.activeElement) field.value = other.value; // someone may be typing there
  }
}

/** Return the URL of a form, without fields that are empty or have the value that they have without the parameter. */
export function urlOf(form) {
  const fields = [...new FormData(form)].filter(([name, value]) => {
    const field = form.elements[name];
    return field.type === "hidden" || (value !== "" && value !== field.dataset.served);
  });
  return `${form.action}?${new URLSearchParams(fields)}`;
}

function onClick(event) {
  const link = event.target.closest("a[data-live]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(link.href, { remember: "push" });
}

function onSubmit(event) {
  if (!event.target.matches("form[data-live]")) return;
  event.preventDefault();
  show(urlOf(event.target), { remember: "push" });
}

function onInput(event) {
  const form = event.target.form;
  // Not form.dataset: a field of that name hides it.
  if (form?.getAttribute("data-live") !== "input" || !event.target.name) return;
  clearTimeout(timer);
  timer = setTimeout(() => show(urlOf(form)), DELAY_MS);
}

/** Scroll all stages to the same place. */
function onScroll(event) {
  if (!event.target.classList?.contains("stage")) return;
  for (const stage of document.querySelectorAll(".stage")) {
    if (stage === event.target) continue;
    if (stage.scrollLeft !== event.target.scrollLeft) stage.scrollLeft = event.target.scrollLeft;
    if (stage.scrollTop !== event.target.scrollTop) stage.scrollTop = event.target.scrollTop;
  }
}

document.addEventListener("click", onClick);
document.addEventListener("submit", onSubmit);
document.addEventListener("input", onInput);
document.addEventListener("scroll", onScroll, { capture: true, passive: true }); // it does not bubble
window.addEventListener("popstate", () => show(location.href, { remember: "no" }));
watchThumbnails();
watchLayers(document.querySelectorAll(".stage image"));
