// Contrast of every text and size of every control that can be seen, as WCAG counts them.
() => {
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) =>
    v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const colour = (text) => { const v = text.match(/[\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const behind = (node) => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      const c = colour(getComputedStyle(n).backgroundColor);
      if (c[3]) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, c) => under.map((v, i) => v * (1 - c[3]) + c[i] * c[3]), [255, 255, 255]);
  };
  const faint = [], small = [];
  const top = document.querySelector("dialog[open]") || document.body;
  for (const node of top.querySelectorAll("*")) {
    const box = node.getBoundingClientRect();
    const hidden = !box.width || getComputedStyle(node).visibility === "hidden" || node.closest(".hidden, .skip, svg, option");
    if (hidden || node.disabled) continue;
    if ([...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) {
      const [a, b] = [light(colour(getComputedStyle(node).color)), light(behind(node))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) faint.push(`${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
    }
    if (node.matches("button, input, select, textarea, a")) {
      const area = (node.closest("label") || node).getBoundingClientRect();
      const more = getComputedStyle(node, "::after");
      const grown = node.tagName === "BUTTON" && more.content !== "none" && more.position === "absolute" ? -2 * parseFloat(more.top) : 0;
      if (area.width + grown < 44 || area.height + grown < 43.5) small.push(`${node.id || node.className} ${area.width}x${area.height}`);
    }
  }
  return {faint, small, wide: document.documentElement.scrollWidth > innerWidth};
}
