/**
 * Pages that change in place: a link or a form with data-live shows its page without leaving this one.
 *
 * Only elements with data-region are replaced, by those with the same id of the page that the server sent. Without this
 * script, the same links and forms load whole pages.
 */

import { loadAll, watchLayers, watchThumbnail } from "../shell/pictures.js";
import { tell, UNREACHABLE } from "../shell/problem.js";

const DELAY_MS = 200; // while a slider moves, the server is not asked for each of its values

let request = null;
let timer = 0;
let edited = null; // the field whose changes are the newest entry of the history, until it is left
let shown = withoutFragment(location.href);

/**
 * Show the page of a URL in place. Only the latest call counts: the ones before it are given up.
 *
 * remember: "push" for a new entry of the history, "replace" for the newest one, "no" for one that is there.
 * field: whose change asks for the page, if it is one.
 */
export async function show(url, { remember, field = null }) {
  clearTimeout(timer);
  request?.abort();
  const own = new AbortController();
  request = own;
  const before = values();
  document.getElementById("content").setAttribute("aria-busy", "true");
  try {
    const [response, text] = await load(url, own.signal);
    const page = new DOMParser().parseFromString(text, "text/html");
    if (response.status === 401) return location.assign(url); // the login page, which leads back
    // A page about a sample that cannot be made has regions, too, and leads to other samples.
    if (!response.ok && !page.querySelector("[data-region]")) throw new Error(refusalOf(page, response));
    const fresh = regionsOf(page);
    // Loaded before they are shown, so that nothing flickers.
    const problem = await loadAll([...fresh.values()].flatMap((region) => [...region.querySelectorAll("image")]));
    if (own.signal.aborted) return;
    replace(fresh);
    fill(page, before, { all: remember === "no" });
    document.title = page.title;
    if (remember === "push" && url !== location.href) history.pushState(null, "", url);
    else if (remember !== "no") history.replaceState(null, "", url);
    shown = withoutFragment(location.href);
    edited = field;
    tell(problem);
    watchThumbnails();
    document.dispatchEvent(new CustomEvent("shown"));
  } catch (error) {
    if (own.signal.aborted) return;
    tell(error.message);
  } finally {
    if (request === own) {
      request = null;
      document.getElementById("content").removeAttribute("aria-busy");
    }
  }
}

/** Return a response and its text. Throws an error with a sentence for people, unless the signal ends the request. */
async function load(url, signal) {
  try {
    const response = await fetch(url, { signal, headers: { accept: "text/html" } });
    return [response, await response.text()];
  } catch (error) {
    if (!signal.aborted) console.warn(error);
    throw new Error(UNREACHABLE);
  }
}

function withoutFragment(url) {
  return url.split("#")[0];
}

/** Return what is wrong, as the page about an error says it, and mark its fields. A proxy has other pages. */
function refusalOf(page, response) {
  for (const row of page.querySelectorAll("[data-field]")) {
    const field = document.querySelector(`form[data-live] [name="${CSS.escape(row.dataset.field)}"]`);
    field?.setAttribute("aria-invalid", "true");
  }
  const problem = page.querySelector("[data-problem]");
  const cause = problem?.dataset.problem || `the server responded with status ${response.status}`;
  return `The page could not be shown: ${cause}`;
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

/** Return which place of a stage is in its middle, as parts of its width and height. */
function middleOf(stage) {
  return [
    (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth,
    (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight,
  ];
}

/** Scroll a stage so that a place is in its middle, also after its zoom has changed. */
function center(stage, [x, y] = [0.5, 0.5]) {
  stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
}

/** Replace regions; the focus and the places in the middle of stages stay where they are. */
function replace(fresh) {
  const focused = document.activeElement?.id;
  for (const [region, other] of fresh) {
    const before = [...region.querySelectorAll(".stage")].map(middleOf);
    region.replaceWith(other);
    other.querySelectorAll(".stage").forEach((stage, number) => center(stage, before[number]));
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

/** Return the values of the fields of live forms. */
function values() {
  return new Map([...document.querySelectorAll("form[data-live] [name]")].map((field) => [field, field.value]));
}

/**
 * Give the fields of live forms the values of a page, except for those that were changed since it was requested.
 *
 * all: also the one that has the focus, which otherwise keeps its text, because someone may be typing there.
 */
function fill(page, before, { all }) {
  for (const [field, value] of before) {
    const other = page.querySelector(`form[data-live] [name="${CSS.escape(field.name)}"]`);
    if (!other || field.value !== value) continue;
    field.disabled = other.disabled;
    if (other.ariaInvalid) field.ariaInvalid = other.ariaInvalid;
    else field.removeAttribute("aria-invalid");
    if (all || field !== document.activeElement) field.value = other.value;
  }
}

/** Return the URL of a form, without fields that are empty or have the value that they have without the parameter. */
function urlOf(form) {
  const fields = [...new FormData(form)].filter(([name, value]) => {
    const field = form.elements[name];
    return value !== field.dataset.usual && (value !== "" || field.type === "hidden"); // no layers are a choice
  });
  const query = new URLSearchParams(fields).toString().replaceAll("%2C", ","); // as short as people write it
  return `${form.action}?${query}`;
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

/** Show what a changed field makes. All changes of a field until it is left are one entry of the history. */
function onInput(event) {
  const field = event.target;
  const { form } = field;
  // Not form.dataset: a field of that name hides it.
  if (form?.getAttribute("data-live") !== "input" || !field.name) return;
  clearTimeout(timer);
  if (field.validity.valueMissing) { // on the way to another value
    request?.abort();
    field.ariaInvalid = "true";
    return;
  }
  timer = setTimeout(() => show(urlOf(form), { remember: field === edited ? "replace" : "push", field }), DELAY_MS);
}

function onHistory() {
  if (withoutFragment(location.href) !== shown) show(location.href, { remember: "no" });
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
document.addEventListener("focusout", () => { edited = null; });
window.addEventListener("popstate", onHistory);
// Other forms are reset to what the page had when it was loaded.
window.addEventListener("pageshow", (event) => { if (event.persisted) show(location.href, { remember: "no" }); });
document.querySelectorAll(".stage").forEach((stage) => center(stage));
watchThumbnails();
watchLayers(document.querySelectorAll(".stage image"));
