/** Pictures that cannot be loaded say why. An image element does not tell, so the server is asked again. */

import { tell, UNREACHABLE } from "./problem.js";

/** Return why the picture of a URL cannot be loaded; null if it can. */
async function causeOf(url) {
  try {
    const response = await fetch(url, { headers: { accept: "application/problem+json, */*;q=0.1" } });
    if (response.ok) return null;
    const problem = await response.json();
    return problem.detail ?? problem.title ?? `The server responded with status ${response.status}.`;
  } catch (error) {
    console.warn(error);
    return UNREACHABLE;
  }
}

async function loads(url) {
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
    return true;
  } catch {
    return false; // whatever the reason: it does not tell
  }
}

/** Load the picture of an SVG image. Return what is wrong if it cannot be shown, else "". */
async function load(image) {
  const url = image.getAttribute("href");
  if (await loads(url)) return "";
  const cause = await causeOf(url);
  if (cause !== null) return `A layer cannot be shown: ${cause}`;
  image.setAttribute("href", url); // it was refused for a moment
  return (await loads(url)) ? "" : "A layer cannot be displayed. Reload the page to try again.";
}

/** Load the pictures of SVG images. Return what is wrong with one of them, else "". */
export async function loadAll(images) {
  const problems = await Promise.all([...images].map(load));
  return problems.find((problem) => problem) ?? "";
}

/** Say so if one of the pictures of a page's SVG images cannot be shown. */
export async function watchLayers(images) {
  const problem = await loadAll(images);
  if (problem) tell(problem);
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

/** Let a thumbnail that cannot be loaded say why, in its place. It is the image in the .picture of a .tile. */
export function watchThumbnail(image) {
  // A picture may have failed before this script ran.
  if (image.complete && image.naturalWidth === 0) explain(image);
  image.addEventListener("error", () => explain(image));
}
