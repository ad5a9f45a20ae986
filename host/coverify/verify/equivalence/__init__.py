"""Do two networks, or one network under two kernel profiles, compute the same? An input or a proof."""
