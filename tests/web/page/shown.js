// Every text of the page: what stands there, and what it is named.
() => {
  const found = [];
  const walk = document.createTreeWalker(document.querySelector("dialog[open]") || document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { parentElement: parent, data } = walk.currentNode;
    if (data.trim() && !parent.closest("script, noscript, svg, kbd")) found.push(data.trim());
  }
  for (const node of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    found.push(...["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name) || ""));
  }
  return found;
}
