// A part that scrolls sideways can be reached by keyboard.
addEventListener("load", () => {
  for (const one of document.querySelectorAll("pre, .cell_output .output, .table-wrapper, .cell_output div")) {
    if (one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX !== "visible") one.tabIndex = 0;
  }
});
