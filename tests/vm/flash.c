// SPDX-License-Identifier: GPL-2.0-or-later
// Flash in reserved RAM: programming only clears bits, erasing sets them. NOR as JFFS2 has it, NAND as UBI has it.
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mtd/mtd.h>
#include <linux/sizes.h>

static ulong nor_at, nor_size, nand_at, nand_size;
module_param(nor_at, ulong, 0);
module_param(nor_size, ulong, 0);
module_param(nand_at, ulong, 0);
module_param(nand_size, ulong, 0);

static int flash_read(struct mtd_info *mtd, loff_t from, size_t len, size_t *done, u_char *to)
{
	memcpy(to, mtd->priv + from, *done = len);
	return 0;
}

static int flash_write(struct mtd_info *mtd, loff_t to, size_t len, size_t *done, const u_char *from)
{
	for (*done = 0; *done < len; ++*done)
		((u_char *)mtd->priv)[to + *done] &= from[*done];
	return 0;
}

static int flash_erase(struct mtd_info *mtd, struct erase_info *erase)
{
	memset(mtd->priv + erase->addr, 0xff, erase->len);
	return 0;
}

static struct mtd_info nor = {
	.name = "nor", .type = MTD_NORFLASH, .flags = MTD_CAP_NORFLASH,
	.writesize = 1, .writebufsize = 1, .erasesize = SZ_64K,
};
static struct mtd_info nand = {
	.name = "nand", .type = MTD_NANDFLASH, .flags = MTD_CAP_NANDFLASH,
	.writesize = 2048, .writebufsize = 2048, .erasesize = SZ_128K,
};

static int flash_add(struct mtd_info *mtd, ulong at, ulong size)
{
	mtd->size = size;
	mtd->priv = memremap(at, size, MEMREMAP_WB);
	mtd->owner = THIS_MODULE;
	mtd->_read = flash_read;
	mtd->_write = flash_write;
	mtd->_erase = flash_erase;
	return mtd->priv ? mtd_device_register(mtd, NULL, 0) : -ENOMEM;
}

static int __init flash_init(void)
{
	return flash_add(&nor, nor_at, nor_size) ?: flash_add(&nand, nand_at, nand_size);
}
module_init(flash_init);
MODULE_LICENSE("GPL");
