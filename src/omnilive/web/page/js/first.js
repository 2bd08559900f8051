// Runs before the first paint: the theme and the language a person chose, so that nothing flashes.
(() => {
  const root = document.documentElement;
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem("omnilive.page") || "{}");
  } catch {
    // Storage may be refused or hold nonsense; the defaults do.
  }
  if (kept.theme === "light" || kept.theme === "dark") root.dataset.theme = kept.theme;
  const language = kept.language || (/^zh\b/i.test(navigator.language) ? "zh" : "en");
  root.lang = language === "zh" ? "zh-CN" : "en";
  if (language === "zh") root.dataset.loading = "";
})();
