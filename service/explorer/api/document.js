/** The OpenAPI document of this server, for the viewers. */

/** Return the document without HEAD, which each path with GET has. */
async function load(url) {
  const response = await fetch(url, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`the server sent status ${response.status}`);
  const found = await response.json();
  for (const operations of Object.values(found.paths)) delete operations.head;
  return found;
}

/** Show the document in an element, by a function of both; if that fails, say so in its place. */
export async function showDocument(place, show) {
  try {
    show(await load(place.dataset.document), place);
  } catch (error) {
    const problem = document.createElement("p");
    problem.setAttribute("role", "alert");
    problem.textContent = `The OpenAPI document cannot be shown: ${error.message}. Reload the page.`;
    place.replaceChildren(problem);
    throw error; // the browser's console has where it happened
  }
}
