"""Every number and verdict; knows no words and no drawings."""
