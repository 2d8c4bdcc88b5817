/** Swagger UI with the document of this server. */

import { showDocument } from "./document.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches); // Swagger UI's own class

follow();
dark.addEventListener("change", follow);
/** Name the fields to which Swagger UI gives no label, whenever it has made some. */
function nameFields(place) {
  for (const field of place.querySelectorAll(":is(select, textarea, input):not([aria-label], [id])")) {
    const row = field.closest("[data-param-name]");
    field.setAttribute("aria-label", row ? row.dataset.paramName : "request body");
  }
}

showDocument(document.getElementById("viewer"), (spec, domNode) => {
  new MutationObserver(() => nameFields(domNode)).observe(domNode, { childList: true, subtree: true });
  window.SwaggerUIBundle({
    domNode,
    spec,
    validatorUrl: null, // the default sends the document to another host
    deepLinking: false, // it would put links into buttons, which screen readers do not tell apart
    tryItOutEnabled: true,
    displayRequestDuration: true,
    syntaxHighlight: false, // its colours have too little contrast
    defaultModelsExpandDepth: -1,
    plugins: [{ wrapComponents: { InfoContainer: () => () => null } }], // the page has a heading
    presets: [window.SwaggerUIBundle.presets.apis],
  });
});
