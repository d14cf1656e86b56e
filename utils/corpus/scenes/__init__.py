"""The picture world: real artwork on small pictures, with questions and answers in several languages."""
