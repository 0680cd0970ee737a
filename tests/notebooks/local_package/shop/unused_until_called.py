LINE = "That makes {:.2f}."
