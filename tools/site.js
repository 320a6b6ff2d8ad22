// Whatever scrolls sideways can be reached by keyboard; the search has a name.
document$.subscribe(() => {
  document.querySelector(".md-search").ariaLabel = "Search"
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    wide.tabIndex = 0
  }
})
