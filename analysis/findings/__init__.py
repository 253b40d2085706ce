"""Every number and verdict; knows no sentences and no drawings."""
