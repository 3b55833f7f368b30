"""Load: SIPp as generator and answerer, and what it costs."""
