// Keys of the queue, in the card or line that has the focus: j and k go on and back, the others press what shows them.
document.documentElement.classList.add("keys");
document.addEventListener("keydown", (event) => {
  const place = event.target.closest(".review, .outcome");
  if (!place || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (place.querySelector(".htmx-request")) return; // what is typed on before an answer is there is meant for the answer
  if (event.target.closest("select, textarea, input:not([type=checkbox])")) return;
  if (event.key === "j" || event.key === "k") {
    const places = [...document.querySelectorAll(".review, .outcome")].filter((one) => one.checkVisibility());
    places[places.indexOf(place) + (event.key === "j" ? 1 : -1)]?.focus();
  } else {
    place.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
});
