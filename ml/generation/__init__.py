"""Pictures that no camera took, made from good ones: defects with their masks. No torch."""
