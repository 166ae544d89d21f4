"""What the decision may know of a document: small figures, extracted once, closing where something cannot be told."""
