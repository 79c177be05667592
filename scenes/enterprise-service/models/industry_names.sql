-- title.zh: 行业的英文名
-- title.en: Lines of business in English
SELECT industry, industry_en FROM (VALUES ('农、林、牧、渔业', 'farming'), ('工业', 'industry'), ('建筑业', 'construction'), ('批发业', 'wholesale'), ('零售业', 'retail'), ('交通运输业', 'transport'), ('仓储业', 'storage'), ('邮政业', 'post'), ('住宿业', 'hotels'), ('餐饮业', 'restaurants'), ('信息传输业', 'telecoms'),
    ('软件和信息技术服务业', 'software'), ('房地产开发经营', 'real estate'), ('物业管理', 'property management'), ('租赁和商务服务业', 'business services'), ('其他未列明行业', 'others')) AS i(industry, industry_en)
