/** Thumbnails: arrow keys move among them, and one that cannot be loaded says why. */

const TYPING = "input, select, textarea, [contenteditable]";

/** Return the number of thumbnails in a row of the grid, which depends on the width of the window. */
function columnsOf(tiles) {
  const top = tiles[0].offsetTop;
  const below = tiles.findIndex((tile) => tile.offsetTop > top);
  return below < 0 ? tiles.length : below;
}

/** Return the number of the thumbnail to which a key leads from another one; undefined for other keys. */
function destination(key, from, tiles) {
  const columns = columnsOf(tiles);
  return {
    ArrowLeft: from - 1, ArrowRight: from + 1, ArrowUp: from - columns, ArrowDown: from + columns,
    Home: 0, End: tiles.length - 1,
  }[key];
}

function moveFocus(event, tiles) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest(TYPING)) return;
  const from = tiles.indexOf(document.activeElement);
  // Up, down, Home and End scroll the page unless a thumbnail has the focus.
  if (from < 0 && !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const to = from < 0 ? 0 : destination(event.key, from, tiles);
  if (to === undefined) return;
  event.preventDefault();
  tiles[Math.min(Math.max(to, 0), tiles.length - 1)].focus();
}

/** Return why a picture cannot be loaded: an image element does not say. */
async function causeOf(source) {
  try {
    const response = await fetch(source, { headers: { accept: "application/problem+json, */*;q=0.1" } });
    if (response.ok) return null;
    const problem = await response.json();
    return problem.detail ?? problem.title ?? `The server responded with status ${response.status}.`;
  } catch (error) {
    console.warn(error);
    return "The server cannot be reached, or its response cannot be read. Reload the page to try again.";
  }
}

async function explain(image) {
  const cause = await causeOf(image.src);
  if (cause === null && image.dataset.retried === undefined) { // it was refused for a moment
    image.dataset.retried = "";
    image.src = image.src;
    return;
  }
  const failure = document.createElement("span");
  failure.className = "failure";
  failure.textContent = cause ?? "The picture cannot be displayed. Open the sample to see more.";
  image.parentElement.append(failure);
  image.closest(".tile").classList.add("failed");
}

function watch(image) {
  // A picture may have failed before this script ran.
  if (image.complete && image.naturalWidth === 0) explain(image);
  image.addEventListener("error", () => explain(image));
}

/** Forget the category when another dataset is chosen, which has other ones. */
function forgetCategory() {
  const category = document.querySelector(".search [name=category]");
  if (category) category.value = "";
}

document.querySelector(".search select[name=dataset]")?.addEventListener("change", forgetCategory);
const tiles = [...document.querySelectorAll("[data-tiles] .tile")];
if (tiles.length > 0) {
  document.addEventListener("keydown", (event) => moveFocus(event, tiles));
  for (const tile of tiles) watch(tile.querySelector("img"));
}
