// Shows the formulas of a page, which stand on it as TeX.
document.addEventListener("DOMContentLoaded", () => {
  for (const formula of document.querySelectorAll(".formula")) {
    const displayMode = formula.localName === "div";
    katex.render(formula.textContent, formula, { displayMode, throwOnError: false });
  }
});
