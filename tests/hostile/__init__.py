"""Mail that means harm, built where it is needed."""
