"""What answers: one file a kind of provider behind one small port."""
