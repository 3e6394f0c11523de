"""What a training row and a benchmark's item can share."""

SAME_IMAGE = "same_image"
NEAR_IMAGE = "near_image"
SAME_TEXT = "same_text"
SAME_QUESTION = "same_question"
KINDS = {
    SAME_QUESTION: "the question, and a picture that is the same or near (or none on both sides)",
    SAME_IMAGE: "a picture, byte for byte",
    NEAR_IMAGE: "a picture that looks alike, of other bytes",
    SAME_TEXT: "the words of a question, with any picture; many benchmarks ask the same few",
}
"""What a row and an item can share, by kind, the strongest first."""
LEAKING = (SAME_QUESTION, SAME_IMAGE, NEAR_IMAGE)
"""Kinds that make a row contaminated; words alone do not."""
