// A part that scrolls sideways can be reached by keyboard, at the window's width of the moment.
function reach() {
  for (const one of document.querySelectorAll("pre, .cell_output .output, .table-wrapper, .cell_output div")) {
    if (one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX !== "visible") one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);
