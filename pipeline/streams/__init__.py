"""Long sounds whose words are known, and how the files of a run find them there."""
