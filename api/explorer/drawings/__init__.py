"""Pictures as SVG, pure functions of what the pages show. Colours come from the stylesheet."""
