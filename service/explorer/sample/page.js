const form = document.getElementById("choose");
document.getElementById("dataset")?.addEventListener("change", () => {
  const index = document.getElementById("index");
  index.value = 0;  // another dataset may have fewer images
  index.removeAttribute("max");
});
const picture = document.querySelector("#picture img");
const explain = async () => {  // an image element does not tell why there is no picture
  let cause = "The server could not be reached.";
  try {
    const response = await fetch(document.getElementById("picture").dataset.document);
    const answer = await response.json();
    cause = answer.detail ?? "The picture could not be loaded; reload the page.";
  } catch (error) {
    console.error(error);
  }
  const problem = document.getElementById("problem");
  problem.textContent = `This sample cannot be shown: ${cause}`;
  problem.hidden = false;
  picture.parentElement.hidden = true;
};
if (picture.complete && picture.naturalWidth === 0) explain();
else picture.addEventListener("error", explain);
form.addEventListener("submit", () => {
  form.action = document.body.dataset.root + "/explore/" + encodeURIComponent(document.getElementById("index").value);
});
