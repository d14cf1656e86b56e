"""The data of LLaVA-NDiNO: page sections, captions and documents to adapt with, short tasks, single rounds."""
