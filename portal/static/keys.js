// Keys of the queue: j and k go from card to card, the others press what shows them in the card that has the focus; ? says them all.
// Who minds single keys switches them off, in this browser.
const root = document.documentElement, help = document.getElementById("keys"), choice = document.getElementById("keys-on");
const PLACES = ".review, .outcome", SILENT = "dialog, select, textarea, iframe, input:not([type=checkbox])", OFF = "postroom-keys-off";
const places = (kind = PLACES) => [...document.querySelectorAll(kind)].filter((one) => one.checkVisibility());
let on = true, asked = null, answered = null; // the ids of the card that was answered and of the last one that was

function use(wanted, keep) {
  on = wanted;
  root.classList.toggle("keys", on);
  try {
    if (keep) on ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1");
    else if (localStorage.getItem(OFF)) use(false, true);
  } catch {} // a browser that keeps nothing for us forgets it with the page
}

use(true, false);
root.classList.add("scripts");
if (choice) {
  choice.checked = on;
  choice.addEventListener("change", () => use(choice.checked, true));
  document.getElementById("keys-shown").addEventListener("click", () => help.showModal());
}

document.addEventListener("keydown", (event) => {
  if (!on || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest(SILENT)) return;
  const place = event.target.closest(PLACES);
  if (place?.querySelector(".htmx-request")) return; // what is typed on before an answer is there is meant for the answer
  if (event.key === "?" && help) help.showModal();
  else if (event.key === "j" || event.key === "k") places().at(place ? Math.max(0, places().indexOf(place) + (event.key === "j" ? 1 : -1)) : 0)?.focus();
  else if (event.key === "u") (place?.querySelector("[data-key=u]") ?? document.getElementById(answered)?.querySelector("[data-key=u]"))?.click();
  else place?.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});

// Once a card is answered the next one has the focus, and nothing else moves.
document.addEventListener("htmx:before:request", (event) => {
  asked = event.target.closest("form[method=post]") && event.target.closest(".review")?.id;
});
document.addEventListener("htmx:after:swap", () => {
  const now = asked && document.getElementById(asked);
  if (!now?.matches(".outcome")) return;
  const next = places(".review").find((one) => now.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
  [answered, asked] = [asked, null];
  next?.focus({ preventScroll: true });
  if (next?.getBoundingClientRect().top > innerHeight - 120) next.scrollIntoView({ block: "nearest" });
});
