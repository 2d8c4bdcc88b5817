/** Thumbnails: arrow keys move among them, and one that cannot be loaded says why. */

import { TYPING } from "./keys.js";
import { watchThumbnail } from "./pictures.js";

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

/** Forget the category when another dataset is chosen, which has other ones. */
function forgetCategory() {
  const category = document.querySelector(".search [name=category]");
  if (category) category.value = "";
}

document.querySelector(".search select[name=dataset]")?.addEventListener("change", forgetCategory);
const tiles = [...document.querySelectorAll("[data-tiles] .tile")];
if (tiles.length > 0) {
  document.getElementById("tile-keys").hidden = false;
  document.addEventListener("keydown", (event) => moveFocus(event, tiles));
  for (const tile of tiles) watchThumbnail(tile.querySelector("img"));
}
