/** ReDoc with the document of this server, in the colours of its pages. */

import { showDocument } from "./document.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Return a colour of the pages' style as ReDoc reads it: it computes shades, so it needs numbers. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function theme() {
  const font = getComputedStyle(document.body).fontFamily;
  const ink = colour("ink");
  return {
    colors: {
      primary: { main: colour("accent") },
      success: { main: colour("good") },
      warning: { main: colour("warn") },
      error: { main: colour("bad") },
      text: { primary: ink, secondary: colour("soft") },
      border: { dark: colour("edge"), light: colour("edge") },
    },
    schema: { nestedBackground: colour("sunken"), typeNameColor: colour("soft"), typeTitleColor: colour("soft") },
    typography: {
      fontSize: "15px",
      fontFamily: font,
      headings: { fontFamily: font, fontWeight: "600" },
      code: { fontSize: "13px", color: ink, backgroundColor: colour("sunken") },
      links: { color: colour("accent"), visited: colour("accent"), hover: colour("accent") },
    },
    sidebar: { backgroundColor: colour("card"), textColor: ink, activeTextColor: colour("accent") },
    rightPanel: { backgroundColor: colour("sunken"), textColor: ink },
    codeBlock: { backgroundColor: colour("card") },
  };
}

showDocument(document.getElementById("viewer"), (spec, place) => {
  const show = () => window.Redoc.init(spec, { theme: theme(), hideLoading: true, nativeScrollbars: true }, place);
  show();
  dark.addEventListener("change", show);
});
