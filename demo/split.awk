# Splits the Jargon File into the study's text and the held-out text.
# usage: awk -v study=FILE -v heldout=FILE -f split.awk jargon.txt
# The three-space margin is dropped; every tenth block of 40 lines is held out, so that both
# parts cover the whole file (its end is another kind of text than its beginning).
{
	sub(/^   /, "")
	print > ((int((NR - 1) / 40) % 10 == 9) ? heldout : study)
}
