"""How messages are decoded: four decoders over one corpus, compared by what they make of it and by speed."""
