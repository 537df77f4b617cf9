"""Compare a bank with every baseline on labelled questions, with bootstrap intervals."""
