"""How fast, how lean and how soon records get from Kafka into the lake, beside the engines one might pick instead."""
