"""One Gram matrix a sector: its layout in memory, passes over all of them, the eigenbasis of D."""
