def greeting(basket):
    from .unused_until_called import LINE

    return LINE.format(basket.total())
