"""Selection methods, one file each, behind one interface."""
