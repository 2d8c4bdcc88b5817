/** The line of a page that says what is wrong: #problem. */

export const UNREACHABLE =
  "The server cannot be reached, or its response cannot be read. Reload the page to try again.";

/** Say what is wrong, where people see it; "" if nothing is any more. */
export function tell(problem) {
  const place = document.getElementById("problem");
  place.textContent = problem;
  place.hidden = !problem;
  if (problem) place.scrollIntoView({ block: "nearest" });
}
