// Forgetting: first what would go, in numbers and words, then only after a person says so.
import * as api from "./api.js";
import { $, el, icon } from "./dom.js";
import { receive } from "./events.js";
import { t } from "./i18n.js";
import { notice } from "./notices.js";
import { when } from "./when.js";
import { words } from "./thumbs.js";

const MOST_SHOWN = 20;

// Resolves to whether it was forgotten.
export async function askToForget(moment) {
  const dialog = $("forget");
  let preview;
  try {
    preview = await api.wouldForget(moment.id);
  } catch (error) {
    notice("forget", () => error.message || t("no_server"), { bad: true });
    return false;
  }
  const sure = await confirmed(dialog, preview);
  if (!sure) return false;
  try {
    await api.forget(moment.id, preview.moments.some((one) => one.pinned));
  } catch (error) {
    notice("forget", () => error.message || t("no_server"), { bad: true });
    return false;
  }
  // Where no conversation is open, nobody else tells the page.
  receive({ event: "forgotten", moments: [moment.id, ...preview.moments.map((one) => one.id)] });
  notice("forget", () => t("forgotten"), { forMs: 5000 });
  return true;
}

function confirmed(dialog, preview) {
  return new Promise((resolve) => {
    const close = (value) => dialog.close(value);
    const no = el("button", { type: "button", id: "forget-no", on: { click: () => close("") } }, t("cancel"));
    const yes = el("button", { type: "button", id: "forget-yes", class: "danger", on: { click: () => close("yes") } }, icon("trash"), t("forget_yes"));
    const shown = preview.moments.slice(0, MOST_SHOWN).map((one) => el("li", {}, `${when(one.at)}  ${words(one)}`));
    dialog.replaceChildren(
      el("div", { class: "dialog-bar" }, el("h2", { id: "forget-title" }, t("forget_title"))),
      el(
        "div",
        { class: "dialog-body" },
        el("p", {}, t("forget_count", { moments: preview.num_moments, clips: preview.num_clips })),
        preview.moments.some((one) => one.pinned) ? el("p", {}, t("forget_pinned")) : null,
        el("ul", {}, ...shown),
        el("div", { class: "actions" }, no, yes),
      ),
    );
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    no.focus();
  });
}
