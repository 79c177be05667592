"""One window, one thing (一窗受理·一件事): matters with guides, forms filled from data held, certificates, ratings, subsidies."""
